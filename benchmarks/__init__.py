"""What adaptd is measured by: `python -m benchmarks NAME`. Not part of the installed package."""

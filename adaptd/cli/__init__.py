"""The `adaptd` command."""

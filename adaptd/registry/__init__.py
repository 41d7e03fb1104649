"""The life of a release: episode, proposal, decision, artifact, publication; and what pages read.

Each file defines one of them, with functions over a connection, and is imported as a module:
`from adaptd.registry import releases`.
"""

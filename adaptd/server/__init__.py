"""JSON interface and operator pages, as a process of its own.

It meets the daemon in the store only.
Its application is `app.create_app`, its process `process.run`.
"""

"""`adaptd search`: one search around a network, from what is asked for to what it leaves."""

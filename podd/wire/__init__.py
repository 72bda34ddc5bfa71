"""Bodies of podd's own API, shared by the server, the client and the command line."""

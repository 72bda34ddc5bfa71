"""The way into containers over HTTP: who a request is for, and passing it on."""

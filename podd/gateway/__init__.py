"""The SSH gateway: into containers that need no sshd."""

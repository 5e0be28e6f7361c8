"""Receive: sockets and files become batches of datagrams. Nothing here decodes a payload."""

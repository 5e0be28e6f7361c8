"""The rooms in one line: datagrams in, tables of points out, for files and for the daemon."""

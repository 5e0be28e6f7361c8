"""Datagrams to flow records in columns: NetFlow v1, v5, v7, v9 and IPFIX; no socket, no clock."""

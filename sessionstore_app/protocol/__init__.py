"""The wire: strict JSON, JSON-RPC 2.0, the table of methods, the frames that leave.

Text in, typed requests out; results in, text out. Knows nothing of sockets, rooms or who is asking.
"""

"""What the product does: rooms, sessions and who is in which room. Knows asyncio, the ORM and the bus; no frames of
requests.
"""

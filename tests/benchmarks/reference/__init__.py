"""What the figures are compared with: the app that the Channels tutorial leads to, and a bare ASGI echo."""

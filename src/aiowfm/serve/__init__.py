"""The local service for any AWS client: the AWS JSON 1.0 protocol over HTTP."""

from aiowfm.serve.server import listen, serve

__all__ = ["listen", "serve"]

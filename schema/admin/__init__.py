"""The staff's schema: what staff and integrations ask for at /admin/graphql."""

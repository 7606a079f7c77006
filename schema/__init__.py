"""The GraphQL floor: types, resolvers and refusals. Nothing is decided here; decisions are the product's.

`context` is what resolvers are given; `refusals` turns a slice's refusals into members of a field's union;
`permissions` says who may call a field; `paging` makes keyset connections; `scalars` are points, fen and instants;
`nodes` are Relay's global ids; `extensions` makes a schema of all that.
"""

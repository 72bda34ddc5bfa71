"""GraphQL: RunPod's first API, on the schema in schema.graphql (schema-first, through ariadne)."""

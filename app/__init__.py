"""The processes of Jifen and how they are wired together; the only place that reads settings."""

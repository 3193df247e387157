"""An app of a project with a user model of its own."""

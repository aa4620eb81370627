"""PostgreSQL: statements, roles and logins, and the privileges that they give."""

"""What guards the portal (安全): accounts, second factor, sessions, headers, limits, the identity provider."""

"""The pages of an account, by subject."""

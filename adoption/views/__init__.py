"""The pages of an adoption, and of the KYC checklist that comes before it."""

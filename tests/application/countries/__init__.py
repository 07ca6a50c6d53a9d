"""What differs by country."""

"""What moto lacks or does otherwise than AWS."""

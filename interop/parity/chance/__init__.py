"""Scripts made by chance, played on two brokers, and made as short as they can be where the brokers differ."""

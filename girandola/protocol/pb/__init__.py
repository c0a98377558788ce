"""The schemas of the Protobuf encodings, and what `scripts/protobuf` makes of them."""

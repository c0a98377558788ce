"""Who somebody is: tokens, key sets, and the HMAC signs of the 2018 protocol."""

"""Who visits: signing in, sessions in cookies, and forms that no other site can send."""

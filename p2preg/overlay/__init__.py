"""Who broadcasts to whom: HyParView (Leitão, Pereira, Rodrigues, DSN 2007) with two ring neighbours on top. Pure."""

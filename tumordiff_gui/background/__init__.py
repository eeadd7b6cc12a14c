"""Job folders followed and warm children asked, without ever blocking the window."""

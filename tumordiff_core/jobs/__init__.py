"""Job folders: the whole interface between who wants work done, who does it and who watches."""

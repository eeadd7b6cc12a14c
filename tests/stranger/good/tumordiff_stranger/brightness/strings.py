"""The sentences of the module."""

INTRODUCTION = "The stranger measures how bright a result is."

"""Building the Bento: the model compiled to its fastest exact form."""

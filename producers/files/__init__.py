"""Files of people: every format, read into rows, cells and jobs with what is wrong with them."""

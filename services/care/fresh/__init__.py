"""Fresh features of a discharge: the patient's record of this moment, joined with the history."""

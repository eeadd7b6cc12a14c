"""Patients with known truth: anatomy, contrast kinetics, growth, the scanner and the files it would have written."""

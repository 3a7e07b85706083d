"""Procedures compared under one law: what is B worth, in compute?"""

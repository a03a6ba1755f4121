"""What could a model represent?"""

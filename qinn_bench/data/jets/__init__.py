"""Jets in memory: their arrays, their images, and the rows that models see."""

"""Fine-tuning and scoring on tasks, and what a masked-language model keeps of its teacher."""

"""SQL shipped as package data: views/ (file = view), checks/ (assert_*.sql), queries/ (questions with $parameters)."""

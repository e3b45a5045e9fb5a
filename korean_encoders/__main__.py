"""python -m korean_encoders COMMAND ..."""

from korean_encoders.console import main

if __name__ == "__main__":
    main()

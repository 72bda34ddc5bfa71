from podd.cli import main

main()

#include "cli/app.hh"

int main(int argc, char** argv) { return hull::cli::run_program(argc, argv); }

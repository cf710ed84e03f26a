#include "buildkit/program.hh"

int main(int count, char** values) { return hull::buildkit::run_program(count, values); }

#include "files/program.hh"

/// Started by hulld, with the request as descriptor 4.
int main() { return hull::files::run_program(); }

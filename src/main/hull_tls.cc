#include "tls/program.hh"

int main(int count, char** values) { return hull::tls::run_program({values + 1, values + count}); }

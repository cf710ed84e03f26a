#include "names/program.hh"

/// Started by hulld, with its socket as descriptor 3.
int main(int argument_count, char** arguments) {
    return hull::names::run_program(argument_count, arguments);
}

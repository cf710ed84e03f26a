#include "probe/program.hh"

/// Started by hulld for one health check.
int main(int argument_count, char** words) {
    return hull::probe::run_program(argument_count, words);
}

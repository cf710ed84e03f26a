#include "relay/program.hh"

/// Started by hulld, with the socket it connects to as descriptor 3.
int main(int argument_count, char** arguments) {
    return hull::relay::run_program(argument_count, arguments);
}

#include "registry/program.hh"

int main(int argument_count, char** arguments) {
    return hull::registry::run_program(argument_count, arguments);
}

#include <iostream>
#include <vector>

int main() {
    std::vector<int> numbers{6, 7};
    std::cout << "answer " << numbers[0] * numbers[1] << "\nok\n";
}

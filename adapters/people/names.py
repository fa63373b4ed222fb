"""Vietnamese names by frequency: (word, weight). Nobody is meant by a combination."""

from adapters.people.identifiers import Sex

SURNAMES = (
    ("Nguyễn", 38), ("Trần", 11), ("Lê", 10), ("Phạm", 7), ("Hoàng", 4), ("Huỳnh", 3), ("Phan", 4), ("Vũ", 3), ("Võ", 3),
    ("Đặng", 2), ("Bùi", 2), ("Đỗ", 2), ("Hồ", 1), ("Ngô", 1), ("Dương", 1), ("Lý", 1), ("Đinh", 1), ("Trịnh", 1), ("Mai", 1),
    ("Đoàn", 1), ("Lương", 1), ("Hà", 1), ("Tạ", 1),
)  # fmt: skip

MIDDLE = {
    Sex.MALE: (
        ("Văn", 22), ("Hữu", 8), ("Đức", 9), ("Minh", 9), ("Quang", 8), ("Quốc", 7), ("Thanh", 6), ("Xuân", 4), ("Công", 4),
        ("Đình", 5), ("Gia", 5), ("Anh", 3), ("Tuấn", 4), ("Ngọc", 3), ("Trọng", 3),
    ),
    Sex.FEMALE: (
        ("Thị", 28), ("Ngọc", 10), ("Thu", 9), ("Minh", 6), ("Thanh", 8), ("Phương", 7), ("Kim", 5), ("Hồng", 5), ("Bích", 4),
        ("Thùy", 5), ("Khánh", 4), ("Diệu", 3), ("Mai", 3), ("Thị Thu", 3), ("Thị Ngọc", 3),
    ),
}  # fmt: skip

GIVEN = {
    Sex.MALE: (
        ("Hùng", 5), ("Dũng", 5), ("Tuấn", 5), ("Nam", 4), ("Long", 4), ("Sơn", 4), ("Hải", 4), ("Thắng", 4), ("Cường", 4),
        ("Hiếu", 4), ("Khang", 3), ("Phúc", 4), ("Bảo", 3), ("Khôi", 3), ("Minh", 4), ("Quân", 3), ("Thành", 4), ("Trung", 3),
        ("Kiên", 3), ("Đạt", 3), ("Vinh", 2), ("Lâm", 2), ("Bình", 3), ("Hòa", 2), ("Tâm", 2), ("Toàn", 2), ("Tùng", 3),
    ),
    Sex.FEMALE: (
        ("Lan", 5), ("Hương", 5), ("Hà", 4), ("Trang", 5), ("Linh", 5), ("Hoa", 4), ("Mai", 4), ("Thảo", 4), ("Yến", 3),
        ("Nhung", 3), ("Hằng", 4), ("Vân", 3), ("Thủy", 4), ("Anh", 5), ("Ngân", 3), ("Nhi", 3), ("Vy", 3), ("My", 3),
        ("Trâm", 2), ("Quỳnh", 3), ("Chi", 3), ("Dung", 3), ("Oanh", 2), ("Xuân", 2), ("Loan", 2), ("Phượng", 2), ("Tâm", 2),
    ),
}  # fmt: skip

ETHNICITIES = (("Kinh", 86), ("Tày", 3), ("Mường", 3), ("Thái", 2), ("Nùng", 2), ("Hoa", 2), ("Dao", 1), ("Khơ-me", 1))

RELIGIONS: tuple[tuple[str | None, int], ...] = (
    (None, 80), ("Phật giáo", 9), ("Công giáo", 7), ("Cao Đài", 1), ("Phật giáo Hòa Hảo", 2), ("Tin Lành", 1),
)  # fmt: skip

"""An invented map: these provinces, communes and streets are on none. Provinces have cities' wards or countryside's communes."""

PROVINCES = (
    ("Thành phố Vân Hải", 5),
    ("Thành phố Long Thạnh", 4),
    ("Thành phố An Bình Giang", 3),
    ("Tỉnh Thanh Sơn Bắc", 3),
    ("Tỉnh Phú Lâm Hà", 3),
    ("Tỉnh Hồng Lĩnh Châu", 2),
    ("Tỉnh Đông Hà Sơn", 2),
    ("Tỉnh Tây Nguyên Thượng", 2),
    ("Tỉnh Cửu Long Hạ", 3),
    ("Tỉnh Kim Bảng Sơn", 2),
    ("Tỉnh Bạch Hạc Giang", 2),
    ("Tỉnh Mỹ An Hải", 2),
)

COMMUNES = (
    "Tân Lập", "Hòa Bình Đông", "Phú Thịnh", "Vĩnh Xuân", "An Khánh Tây", "Đồng Tâm Nam", "Sơn Thủy", "Bình Minh Thượng",
    "Quang Vinh Hạ", "Long Hưng", "Yên Thái", "Thạnh Mỹ Bắc", "Cẩm Đường", "Xuân Quan Đông", "Trung Chính",
)  # fmt: skip

STREETS = (
    "đường Hoa Sữa", "đường Bằng Lăng", "đường Phượng Vĩ", "phố Hàng Tre", "phố Cây Đa", "đường Bờ Kè", "đường Sao Mai",
    "đường Đồng Khởi Nghĩa", "phố Chợ Mới", "đường Lúa Vàng", "đường Ven Sông", "phố Đèn Lồng",
)  # fmt: skip

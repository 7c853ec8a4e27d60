from tests.service.shop import shop

__all__ = ["shop"]
